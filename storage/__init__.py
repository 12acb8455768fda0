"""What we remember: one file per noun, on SQLite or PostgreSQL, plus what processes share."""
