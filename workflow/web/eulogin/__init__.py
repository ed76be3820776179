"""EU Login: registration, password, sign-in and the second factors."""
