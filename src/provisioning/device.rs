//! Who a multiplatform phone is, and how its certificate says so.
