"""The command line: every command takes ``--config``; exit 0 done, 1 failed, 2 wrong use; errors name cause and next step."""
