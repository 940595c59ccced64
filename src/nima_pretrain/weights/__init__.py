"""Weights files: storing, description by side-cars, publication, download and verification."""

BUNDLED = "bundled"  # in place of a name or path: the weights that come with the package
SUFFIXES = (".h5", ".hdf5")
