INSERT INTO imports (campaign_id, file_name, file_sha256)
VALUES (%(campaign_id)s, %(file_name)s, %(file_sha256)s)
