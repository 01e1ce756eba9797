"""LangGraph, spoken in this room only: an executor that schedules by it, the way out to a plain graph, and a saver."""
