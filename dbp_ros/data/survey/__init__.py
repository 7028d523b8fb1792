"""Descriptions of data sets for people."""
