//! The policy: rules in CEL that say which calls may run and what of their answers may be seen.
