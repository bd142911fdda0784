"""What people ask: SQL, one problem, how runs compare, what a run would find and cost."""
