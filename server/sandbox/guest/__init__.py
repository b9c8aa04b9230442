"""What runs inside: plain Python of the standard library, 3.9 or later, sent as source to an interpreter under /usr."""
