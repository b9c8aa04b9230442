"""The reports of users and the discoveries about libraries, each row on the code as it is."""
