"""What a model is shown: jinja2 templates, their rendering, and the choice of references."""
