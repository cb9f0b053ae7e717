"""What `python -m tensorgrad demo …` runs: two small trainings, written as a user of the library would; and plots."""
