"""The policy block put to work: properties over a history, told in plain English.

Promises: pure; a property is judged by what was recorded, never by what the engine would do now.
"""
