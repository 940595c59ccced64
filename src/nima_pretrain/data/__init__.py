"""Photographs, their views and their ratings: from files to arrays, without networks."""
