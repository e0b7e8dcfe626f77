"""What the service keeps: properties, doors, people, their rights; SQLite or PostgreSQL."""
