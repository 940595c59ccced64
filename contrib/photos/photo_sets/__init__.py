"""Photo sets from their lists: lists, downloads, checks and splits."""
