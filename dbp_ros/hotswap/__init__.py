"""Model hot swap: candidates, shadow test, canary, rollback."""
