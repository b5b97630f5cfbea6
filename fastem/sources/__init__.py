"""Where rows come from: tables, files, folders and blocks."""
