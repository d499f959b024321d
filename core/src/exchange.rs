//! Sessions, holidays and half days of an exchange.
