"""The people of the tests, and a list with two of them."""

ANA, BIA, CAIO, DORA = (f"+551199999000{number}" for number in range(1, 5))
LIST = f"phone,name\n{ANA},Ana\n{BIA},Bia\n"
