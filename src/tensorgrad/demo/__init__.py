"""What `python -m tensorgrad demo …` runs: two small trainings, as a user would write them; and plots."""
