"""The page at `/` and the API's documentation at `/docs`: static files, open without a key, that name no other origin.

files.py    the files and their headers, read once
static/     the page: ES modules without a build step; vendor/ has the libraries, as they come from npm
"""
