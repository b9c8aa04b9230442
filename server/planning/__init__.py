"""From a parsed request to a frozen `Plan`. Pure: nothing here waits or talks to an engine."""
