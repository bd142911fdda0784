"""What comes in and goes out: logs of other tools become runs, runs become data sets and training sets."""
