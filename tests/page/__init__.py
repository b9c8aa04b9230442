"""The page at `/`: its files, its pure modules in Node, and all of it in Chromium."""
