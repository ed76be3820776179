"""For tests: fakes of the ports, and what hosts need to test their own definitions."""
