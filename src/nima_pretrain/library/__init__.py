"""Photo libraries: stars, groups of similar photos, culling, one's own taste."""
