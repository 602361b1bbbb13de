"""One attempt on one fold: fitted, asked, with its costs, and tuned."""
