"""The pages of the reference, each made from the code or data that it describes."""
