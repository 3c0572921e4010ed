"""The files that people upload and download, and the work with them."""
