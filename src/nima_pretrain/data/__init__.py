"""Loading of photos, views and ratings from files into arrays, without networks."""
