//! Status and policy to plan.
