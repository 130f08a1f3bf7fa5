"""What the program does with crowds: of waiting files, of hot folders, of finished jobs, of hours."""
