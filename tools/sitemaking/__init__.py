"""What `tools/make_site.py` puts together: the pages, their links, and the reference of every public name."""
