"""What this machine can do: arithmetic and memory bandwidth by probe, and the roofline that follows for each case."""
