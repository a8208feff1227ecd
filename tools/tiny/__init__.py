"""Parts of the script that trains the tiny models of this project."""
