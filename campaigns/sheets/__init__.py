"""Rows from CSV files and workbooks, each cell as a spreadsheet program shows it."""
