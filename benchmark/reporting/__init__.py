"""Views of the records: the leaderboard and the figures. Nothing on them comes from anywhere else."""
