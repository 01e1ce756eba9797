"""The site: the pages of docs/ with navigation, reference and pictures, built without a network by `make docs`."""
