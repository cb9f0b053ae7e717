"""What `python -m tensorgrad demo …` runs: two small trainings, written as a user would; and plots."""
