"""The edge: command line, files, importers, report. Owns every file and clock."""
