"""How it runs: WeCom, the simulator, the server, the console, pages, configuration and the command line."""
