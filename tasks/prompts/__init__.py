"""What a model is shown: jinja2 templates and their rendering."""
