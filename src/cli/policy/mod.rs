//! `keyward policy`: tries rules and explains them.
