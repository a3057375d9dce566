"""What is likely: churn and open propensity, trained by time, calibrated, kept with a card."""
