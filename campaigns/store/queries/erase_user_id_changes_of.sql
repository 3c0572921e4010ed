DELETE FROM user_id_changes WHERE user_id = ANY (%(user_ids)s::text[]) OR other_id = ANY (%(user_ids)s::text[])
