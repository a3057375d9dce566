"""Services on loopback that behave as their makers document it, and misbehave as services do."""
