"""The API's document: what FastAPI knows of the routes, made complete for whoever reads it."""
