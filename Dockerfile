# docker build -t fame . && docker run --rm -p 8501:8501 fame
FROM python:3.11-slim

# The CPU build of PyTorch. Where this index cannot be reached: --build-arg TORCH_INDEX=https://pypi.org/simple
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2

WORKDIR /srv/fame
COPY requirements.txt ./
# First the libraries, which seldom change; the last line of the file is the project itself.
RUN grep -v '^-e' requirements.txt > /tmp/libraries.txt \
    && pip install --extra-index-url "$TORCH_INDEX" -r /tmp/libraries.txt \
    && rm /tmp/libraries.txt

COPY pyproject.toml README.md LICENSE ./
COPY .streamlit/ .streamlit/
COPY fame/ fame/
COPY artifacts/ artifacts/
COPY lessons/ lessons/
COPY app/ app/
RUN pip install --no-deps -e .

RUN useradd --create-home visitor
USER visitor
# Streamlit does not start without it, where the container runs as a user of another number.
ENV HOME=/home/visitor
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENV STREAMLIT_SERVER_HEADLESS=true
CMD ["fame", "app", "--host=0.0.0.0", "--port=8501"]
