"""The console: pages for operators, rendered here, Chinese first."""
