"""LangGraph, spoken in this room only: an executor that schedules by it, and the way out to a plain LangGraph graph."""
