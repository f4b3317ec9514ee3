"""What helps when something goes wrong: the log, reports of problems, About."""
