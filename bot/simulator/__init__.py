"""A stand-in WeCom: its API, its callbacks, its people and a clock that can be turned.

Operators rehearse with it, the tests live in it and the demo shows it. It knows nothing of the bot but an
address: everything goes over HTTP, encrypted as the platform does it.
"""
