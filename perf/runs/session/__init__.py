"""What a pytest session adds to a stored run: its own part, complete records, and every slot."""
